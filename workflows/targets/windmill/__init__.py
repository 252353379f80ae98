"""Scripts and flows in Windmill, whose jobs are started under ids of ours."""
