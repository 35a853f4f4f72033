"""The full console for terminals; `choose` says when there is one, and `console` is its service."""
