"""Accuracy of packages that share networks: simulated CTs of shapes that training never saw, and pictures of
real CTs, of which only is known which bones they show.
"""
