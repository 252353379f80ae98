"""Where routes send to: a module or a package for each kind of target, behind one protocol."""
