"""On which machine a job runs. An engine carries jobs and knows nothing of what they are.

Start reading at ``protocol``; ``local`` is the engine of one machine.
"""
