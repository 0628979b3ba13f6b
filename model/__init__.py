"""Pneumoscope without its user interface: X-rays in, predictions, decisions and figures out.

Usable from Python (`from model import xray`) and from the command line (`python -m model`).
"""
