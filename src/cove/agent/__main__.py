"""`python -m cove.agent`: the agent in the foreground."""

from cove.agent.main import main

if __name__ == "__main__":
    main()
