"""stub"""
def judged_by_others(python, pictures): return {}
