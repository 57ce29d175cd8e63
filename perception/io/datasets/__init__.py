"""Data sets of labelled images and scans: readers of the files that the field uses, and writers of the same formats."""
