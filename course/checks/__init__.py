"""The checks of every lesson, by exercise."""

from course.checking import Exercise
from course.checks import ch01, ch02, ch03

EXERCISES: dict[str, Exercise] = {**ch01.EXERCISES, **ch02.EXERCISES, **ch03.EXERCISES}
