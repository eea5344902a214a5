"""Twilio, whatever the channel: https://www.twilio.com/docs"""
