"""Trainings on this computer and on a GPU host."""
