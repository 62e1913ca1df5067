"""Who proposes pass lists: every method behind one signature, for one file of a user and for a whole evaluation."""
