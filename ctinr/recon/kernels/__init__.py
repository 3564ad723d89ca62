"""Engines of the analytic backprojection, one file each, all with the same function.

``backproject(views, geometry, grid, turns)`` turns filtered views (batch, angle, v, u) of a cone
beam into volumes (batch, z, y, x), as `ctinr.recon.fdk.backproject_cone` says. It is pure: fresh
contiguous output of the views' dtype, input untouched.
"""
