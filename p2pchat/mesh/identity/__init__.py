"""Who the other end of a link is: keys, how they are kept, and what is sealed with them."""
