#!/bin/sh
# Answers every direct message with the same text: a bot in a few lines of shell, for a node that
# runs already. Options that choose the node are passed on:
#
#     examples/echo_bot.sh --name alice
#
# It answers everybody. One that obeys must read two fields more, and look that "security" is
# "verified" and "from" is somebody who may: --fields security,from,to,text.
#
# p2pchat makes every text printable, so that a line is always a message and a tab always a border.

p2pchat tail --events message --fields from,to,text "$@" |
    while IFS="$(printf '\t')" read -r from to text; do
        case $to in '*' | '#'*) continue ;; esac      # published: not for us alone
        case $text in 'echo: '*) continue ;; esac     # another bot like this one
        printf 'echo: %s' "$text" | p2pchat send "$@" -- "$from" -
    done
