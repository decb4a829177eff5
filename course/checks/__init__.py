"""The checks of every lesson, by exercise."""

from course.checking import Exercise
from course.checks import ch01, ch02, ch03, ch04

EXERCISES: dict[str, Exercise] = {**ch01.EXERCISES, **ch02.EXERCISES, **ch03.EXERCISES, **ch04.EXERCISES}
