"""The checks of every lesson, by exercise."""

from course.checking import Exercise
from course.checks import ch01, ch02, ch03, ch04, ch05

EXERCISES: dict[str, Exercise] = {
    task: exercise for lesson in (ch01, ch02, ch03, ch04, ch05) for task, exercise in lesson.EXERCISES.items()
}
