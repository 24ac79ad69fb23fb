"""Who is where: accounts, groups, members; matched again when the network's ids change.

A group or person is known by the network's id. A name is anybody's to choose, so it says who
somebody is in two cases only: a plan without an id takes the first group seen under its name and
stays with that group, and after a new login, which may change every id, what went missing under
its old id is found again by its name.
"""

from agent.directory.directory import Directory, unseen_account
from agent.directory.members import find_members, known_ids, present_members
from agent.directory.places import GroupInfo, GroupPlan, MemberInfo, Place
from agent.directory.tables import accounts, groups, members

__all__ = [
    "Directory",
    "GroupInfo",
    "GroupPlan",
    "MemberInfo",
    "Place",
    "accounts",
    "find_members",
    "groups",
    "known_ids",
    "members",
    "present_members",
    "unseen_account",
]
