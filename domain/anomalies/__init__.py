"""What is wrong, and from when until when: the rules, over one aggregate or several."""
