"""__SUITE__"""
