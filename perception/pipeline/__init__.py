"""The one description of what runs, and the runner that replays a recording through it."""
