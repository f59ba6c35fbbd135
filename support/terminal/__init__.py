"""Chats in a terminal: a program in a pseudo-terminal, its screen, tmux.

chat         the chat of `mistralrs run`: typing, answers, prompt
pty_session  a program in a pseudo-terminal (pexpect)
scenario     what the terminal steps call: input, checks of the screen and the answers
screen       control codes applied to a screen in memory
tmux         a chat in a window of tmux
"""
