"""How the shipped demo was made, from what is public; run the steps as ``python -m demo.STEP``."""
