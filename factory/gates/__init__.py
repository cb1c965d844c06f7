"""What must hold: gates run on a candidate's own clean checkout, confined, and their answers are judged here.

Start reading at ``verdict`` (what an answer means); ``checkout`` runs the gates of one candidate.
"""
