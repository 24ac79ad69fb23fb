"""Coupons: batches of codes, claimed by members, redeemed in shops, reconciled.

``batches`` makes and keeps them, ``importing`` takes codes from files, ``claiming`` gives them
out, ``notices`` reads what shops tell, ``redeeming`` keeps it, ``reconciling`` compares.
"""
