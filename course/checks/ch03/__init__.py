"""Lesson 03, SRCNN: what a right answer must satisfy."""

from course.checks.ch03 import aligned_patch, assemble, filter_picture, forward, train_step

EXERCISES = {
    "03.1": assemble.EXERCISE,
    "03.2": forward.EXERCISE,
    "03.3": aligned_patch.EXERCISE,
    "03.4": train_step.EXERCISE,
    "03.5": filter_picture.EXERCISE,
}
