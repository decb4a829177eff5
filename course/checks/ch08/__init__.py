"""Lesson 08, degradations: what a right answer must satisfy."""

from course.checks.ch08 import degraded, gaussian_kernel, plan, poisson_noise, quantised, sinc_kernel

EXERCISES = {
    "08.1": gaussian_kernel.EXERCISE,
    "08.2": sinc_kernel.EXERCISE,
    "08.3": poisson_noise.EXERCISE,
    "08.4": quantised.EXERCISE,
    "08.5": plan.EXERCISE,
    "08.6": degraded.EXERCISE,
}
