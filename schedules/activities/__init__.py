"""What groups do together: check-in, points, lotteries, group-buys, keyword replies, welcomes.

Who takes part is a ``person``: the network's id where it is known, the same in every group, and
otherwise a key of the member's in this group. Functions take the caller's connection and commit
nothing.
"""
