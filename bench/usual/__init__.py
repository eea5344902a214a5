"""The same work as Google's and Twilio's samples write it: Flask and the official clients, all of it blocking."""
