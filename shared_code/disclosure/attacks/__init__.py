"""Attackers: functions that take what left a site and say what they can work out from it.

They share no code with the disclosure control they attack, and know only what anybody knows who reads the protocol and
the release. `find` tries those that work on any release; the others need what an attacker may hold besides (an earlier
release, counts of their own, a formula).
"""

from shared_code.disclosure.attacks.find import Weakness, find
from shared_code.disclosure.attacks.known import Known

__all__ = ["Known", "Weakness", "find"]
