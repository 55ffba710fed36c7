"""Homework: a master notebook and a key give an assignment, its tests and its solution; a class is graded with them.

`README.md` in this folder says how a master is written and how the parts work together.
"""
