# Heroku and its like read this before every process; it makes `coinflowctl` a command there.
export PATH="$HOME/bin:$PATH"
