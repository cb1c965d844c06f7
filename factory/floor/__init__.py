"""The loop: what starts now, is everyone well, what lands next. One floor per repository.

Start reading at ``plan`` (the pure decision), then ``floor`` (the ticks around it).
"""
