"""What panes ask of the open files: one module per kind of question. No drawing, no Textual."""
