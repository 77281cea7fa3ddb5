/// How one head of one site treats its queries at one operating point.
///
/// Mirrors `Policy` of the operator's executable definition; `row` is its form in the operator's `policies` attribute.
public struct Policy: Equatable, Sendable {
  /// What becomes of context blocks that pre-selection prunes.
  public enum DroppedContext: Equatable, Sendable {
    /// Gone.
    case drop
    /// One Taylor term a block, for every query.
    case average
  }

  /// Which query blocks attend to everything that was kept.
  public enum Route: Equatable, Sendable {
    /// The sharpest share of the blocks.
    case share(Float)
    /// Every block of this sharpness or more.
    case threshold(Float)
  }

  /// Which key blocks a sparse query block computes token by token.
  public enum Select: Equatable, Sendable {
    /// The best share of a row.
    case density(Float)
    /// The fewest whose scores cover a share of the row's.
    case coverage(Float)
    /// Every one of this score or more.
    case threshold(Float)
  }

  /// What scores a pair of blocks.
  public enum Rank: String, Equatable, Sendable, CaseIterable, Codable {
    /// Its coarse attention.
    case mass
    /// The mass that its Taylor term would lose, were its scores Gaussian: from their variance under the mean query.
    case gap
    /// The same from their log-sum-exp under the mean query and the spread of the block's queries about it. What
    /// calibration uses.
    case loss
  }

  /// What stands for the blocks that are not listed.
  public enum Taylor: Equatable, Sendable {
    /// Nothing.
    case none
    /// Mean key, mean value, ln(size).
    case zeroth
    /// The same with half the scores' variance added.
    case second
  }

  /// Everything token by token; the rest is ignored.
  public var exact: Bool
  /// Share of the context key blocks that survive pre-selection.
  public var contextKeep: Float
  public var droppedContext: DroppedContext
  public var route: Route
  public var select: Select
  /// Share of a row that is listed at least; one block in any case.
  public var floor: Float
  public var rank: Rank
  public var taylor: Taylor

  public init(
    exact: Bool = false, contextKeep: Float = 1, droppedContext: DroppedContext = .average,
    route: Route = .share(0), select: Select = .density(0.125), floor: Float = 0, rank: Rank = .mass,
    taylor: Taylor = .zeroth
  ) {
    self.exact = exact
    self.contextKeep = contextKeep
    self.droppedContext = droppedContext
    self.route = route
    self.select = select
    self.floor = floor
    self.rank = rank
    self.taylor = taylor
  }

  /// Dense attention.
  public static let exact = Policy(exact: true)

  /// The ratios published with In-context Sparse Attention (arXiv 2605.04569): an eighth of the context, half of the
  /// queries full, a sixteenth of the blocks listed.
  public static let paper = Policy(
    contextKeep: 1 / 8, droppedContext: .drop, route: .share(0.5), select: .density(1 / 16))
}

extension Policy {
  /// Numbers a row of the `policies` attribute.
  public static let rowLength = 10

  /// [exact, context_keep, dropped, route kind, route value, select kind, select value, floor, rank, Taylor order].
  public var row: [Float] {
    let (routeKind, routeValue): (Float, Float) =
      switch route {
      case .share(let x): (0, x)
      case .threshold(let x): (1, x)
      }
    let (selectKind, selectValue): (Float, Float) =
      switch select {
      case .density(let x): (0, x)
      case .coverage(let x): (1, x)
      case .threshold(let x): (2, x)
      }
    let rankKind: Float =
      switch rank {
      case .mass: 0
      case .gap: 1
      case .loss: 2
      }
    let order: Float =
      switch taylor {
      case .none: -1
      case .zeroth: 0
      case .second: 2
      }
    return [
      exact ? 1 : 0, contextKeep, droppedContext == .average ? 1 : 0, routeKind, routeValue, selectKind, selectValue,
      floor, rankKind, order,
    ]
  }

  /// Reads a row back; nil where a number means nothing.
  public init?(row: some Collection<Float>) {
    let r = Array(row)
    guard r.count == Policy.rowLength, r.allSatisfy({ $0.isFinite }) else { return nil }
    let dropped: DroppedContext, route: Route, select: Select, rank: Rank, taylor: Taylor
    switch r[2] {
    case 0: dropped = .drop
    case 1: dropped = .average
    default: return nil
    }
    switch r[3] {
    case 0: route = .share(r[4])
    case 1: route = .threshold(r[4])
    default: return nil
    }
    switch r[5] {
    case 0: select = .density(r[6])
    case 1: select = .coverage(r[6])
    case 2: select = .threshold(r[6])
    default: return nil
    }
    switch r[8] {
    case 0: rank = .mass
    case 1: rank = .gap
    case 2: rank = .loss
    default: return nil
    }
    switch r[9] {
    case -1: taylor = .none
    case 0: taylor = .zeroth
    case 2: taylor = .second
    default: return nil
    }
    guard r[0] == 0 || r[0] == 1 else { return nil }
    self.init(
      exact: r[0] == 1, contextKeep: r[1], droppedContext: dropped, route: route, select: select, floor: r[7],
      rank: rank, taylor: taylor)
  }
}
