import ONNXGraph

/// Which of the sites that may be replaced are.
public struct SiteSelection: Sendable {
  /// Globs of names; where there are any, these sites and no others, whatever policy says.
  public var only: [String]
  /// Globs of names that stay.
  public var except: [String]
  /// Shorter sequences stay.
  public var minTokens: Int

  public init(only: [String] = [], except: [String] = [], minTokens: Int = 1024) {
    self.only = only
    self.except = except
    self.minTokens = minTokens
  }

  /// Why a site stays; nil where it goes.
  public func reason(_ site: Site) -> KeptReason? {
    if let reason = site.reason, reason.isForCorrectness { return reason }
    if except.contains(where: { Glob.matches($0, site.name) }) { return .notSelected }
    if !only.isEmpty { return only.contains { Glob.matches($0, site.name) } ? nil : .notSelected }
    if site.kind == .cross { return crossReason(site) }
    if site.axis == .temporal { return .temporalAxis }
    if site.queryLength?.value == 1 { return .singleQuery }
    if let length = site.keyLength?.value, length < minTokens {
      return .fewTokens(length: Int(clamping: length), minimum: minTokens)
    }
    return nil
  }

  /// Cross-attention is judged by its cost: queries times keys, and keys that are few whatever the queries.
  private func crossReason(_ site: Site) -> KeptReason? {
    if site.queryLength?.value == 1 { return .singleQuery }
    guard let keys = site.keyLength?.value else {
      // A video of no fixed size is taken for a long one, a prompt for a short one.
      return site.axis == .text ? .crossAttention : nil
    }
    let queries = site.queryLength?.value
    let isCheap =
      keys < minTokens || queries.map { Double($0) * Double(keys) < Double(minTokens) * Double(minTokens) } ?? false
    return isCheap
      ? .cheapCross(queries: queries.map { Int(clamping: $0) }, keys: Int(clamping: keys), minimum: minTokens) : nil
  }
}

/// Shell patterns over names: `*` any run, `?` one character, `[a-c]` or `[!a-c]` one of a set.
public enum Glob {
  public static func matches(_ pattern: String, _ text: String) -> Bool {
    // A site's name may hold brackets; the plain name always matches itself.
    if pattern == text { return true }
    return matches(Array(pattern), Array(text))
  }

  private static func matches(_ pattern: [Character], _ text: [Character]) -> Bool {
    var (p, t) = (0, 0)
    var retry: (p: Int, t: Int)?
    while t < text.count {
      if p < pattern.count, pattern[p] == "*" {
        retry = (p + 1, t)
        p += 1
      } else if p < pattern.count, let next = one(pattern, p, text[t]) {
        p = next
        t += 1
      } else if let last = retry {
        retry = (last.p, last.t + 1)
        p = last.p
        t = last.t + 1
      } else {
        return false
      }
    }
    return pattern[p...].allSatisfy { $0 == "*" }
  }

  /// The position after the piece of the pattern that takes a character; nil where it does not.
  private static func one(_ pattern: [Character], _ start: Int, _ character: Character) -> Int? {
    guard pattern[start] == "[", let end = pattern[(start + 1)...].dropFirst().firstIndex(of: "]") else {
      return pattern[start] == "?" || pattern[start] == character ? start + 1 : nil
    }
    var body = pattern[(start + 1)..<end]
    let isNegated = body.first == "!"
    if isNegated { body = body.dropFirst() }
    var found = false
    var at = body.startIndex
    while at < body.endIndex {
      if at + 2 < body.endIndex, body[at + 1] == "-" {
        found = found || (body[at]...max(body[at], body[at + 2])).contains(character)
        at += 3
      } else {
        found = found || body[at] == character
        at += 1
      }
    }
    return found != isNegated ? end + 1 : nil
  }
}
