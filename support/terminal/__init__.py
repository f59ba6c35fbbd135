"""Conversations in a terminal: a screen, a program in a pseudo-terminal, the chat that runs in it, tmux."""
