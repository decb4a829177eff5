"""Lesson 01, resampling: what a right answer must satisfy."""

from course.checks.ch01 import contributions, cubic, matrix, mirror, resize, spot

EXERCISES = {
    "01.1": cubic.EXERCISE,
    "01.2": contributions.EXERCISE,
    "01.3": mirror.EXERCISE,
    "01.4": matrix.EXERCISE,
    "01.5": resize.EXERCISE,
    "01.6": spot.EXERCISE,
}
