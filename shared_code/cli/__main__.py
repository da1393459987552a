from shared_code.cli import main

main()
