"""Tracked links: an address of our own for each group and offer, counted without knowing anybody.

``making`` makes them for allowed hosts only, ``following`` redirects and counts, ``visitors`` tells
people from machines, ``qr`` draws an address as a picture.
"""
