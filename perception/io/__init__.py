"""Reading recordings (bags, folders, data sets) and writing results, without ROS."""
