"""Motion capture in other people's formats (BVH, ASF/AMC, AMASS), made into files in Mocap-17 layout."""
