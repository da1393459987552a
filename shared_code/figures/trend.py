from shared_code.figures.request import Drawn, Request
def draw(request: Request) -> Drawn: raise NotImplementedError
