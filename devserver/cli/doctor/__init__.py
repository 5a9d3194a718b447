"""`sysctl doctor`: what is wrong with a project and its machine, and what to do next."""
