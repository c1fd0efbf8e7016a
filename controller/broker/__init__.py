"""The broker's rules: who may connect, what each may say, over what wire; written for Mosquitto."""
