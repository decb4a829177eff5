"""The checks of every lesson, by exercise."""

from course.checking import Exercise
from course.checks import ch01, ch02, ch03, ch04, ch05, ch06, ch07, ch08, ch09

LESSONS = (ch01, ch02, ch03, ch04, ch05, ch06, ch07, ch08, ch09)
EXERCISES: dict[str, Exercise] = {task: exercise for lesson in LESSONS for task, exercise in lesson.EXERCISES.items()}
