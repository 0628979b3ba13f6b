"""The parts of the page Worklist; a fragment shows how far the reading is."""
