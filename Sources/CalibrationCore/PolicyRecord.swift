import SparseAttention

/// A policy as the profile spells it: names instead of the operator's numbers.
public struct PolicyRecord: Equatable, Codable, Sendable {
  public var mode: String
  public var contextKeep: Float?
  public var droppedContext: String?
  public var route: Choice?
  public var select: Choice?
  public var floor: Float?
  public var rank: String?
  public var taylor: Int?

  public struct Choice: Equatable, Codable, Sendable {
    public var by: String
    public var value: Float
  }

  public init(_ policy: Policy) {
    guard !policy.exact else {
      mode = "exact"
      return
    }
    mode = "sparse"
    contextKeep = policy.contextKeep
    droppedContext = policy.droppedContext == .drop ? "drop" : "average"
    route =
      switch policy.route {
      case .share(let x): Choice(by: "share", value: x)
      case .threshold(let x): Choice(by: "threshold", value: x)
      }
    select =
      switch policy.select {
      case .density(let x): Choice(by: "density", value: x)
      case .coverage(let x): Choice(by: "coverage", value: x)
      case .threshold(let x): Choice(by: "threshold", value: x)
      }
    floor = policy.floor
    rank = policy.rank.rawValue
    taylor =
      switch policy.taylor {
      case .none: -1
      case .zeroth: 0
      case .second: 2
      }
  }

  /// The policy, or nil where a word is not known or a value is missing.
  public var policy: Policy? {
    if mode == "exact" { return .exact }
    guard mode == "sparse", let contextKeep, let droppedContext, let route, let select, let floor, let rank, let taylor
    else { return nil }
    let words: [Float?] = [
      0, contextKeep, ["drop": 0, "average": 1][droppedContext], ["share": 0, "threshold": 1][route.by], route.value,
      ["density": 0, "coverage": 1, "threshold": 2][select.by], select.value, floor, ["mass": 0, "gap": 1, "loss": 2][rank],
      Float(taylor),
    ]
    let row = words.compactMap { $0 }
    return row.count == words.count ? Policy(row: row) : nil
  }
}
