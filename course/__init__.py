"""The course on top of srlib: the syllabus, and the way into it."""
