"""The world frame of a lifted clip: upright, on the floor, walking through it.

World frame: metres, z up, the floor at z = 0, x to the right as the camera sees it, y away from the camera; the hip of
the first frame stands above the origin.
"""
