"""`make pictures` draws what docs/pictures/ has, each from a shop of its own in which it has happened.

They are drawn by hand, where what they show has changed or the docs need another, and compared with nothing.
"""
