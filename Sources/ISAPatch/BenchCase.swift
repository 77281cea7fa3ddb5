import SparseAttention

/// What `bench attention` measures the operator with, named as in its rows.
public enum BenchCase: Equatable, Sendable {
  case exact, paper
  /// A share 1/n of the key blocks listed, the Taylor term for the rest, ranked by mass, gap or loss.
  case listed(Policy.Rank, oneIn: Int)

  /// `exact`, `paper`, `mass`, `gap` and `loss` (of 1/8), `mass 1/16`.
  public init?(_ text: String) {
    let words = text.split(whereSeparator: { $0 == " " || $0 == ":" }).map(String.init)
    switch words {
    case ["exact"]: self = .exact
    case ["paper"]: self = .paper
    default:
      guard let rank = words.first.flatMap(Policy.Rank.init), words.count <= 2 else { return nil }
      let share = (words.count == 2 ? words[1] : "1/8").split(separator: "/", omittingEmptySubsequences: false)
      guard share.count == 2, share[0] == "1", let n = Int(share[1]), (1...4096).contains(n) else { return nil }
      self = .listed(rank, oneIn: n)
    }
  }

  public var name: String {
    switch self {
    case .exact: "exact"
    case .paper: "paper"
    case .listed(let rank, let n): "\(rank.rawValue) 1/\(n)"
    }
  }

  var policy: Policy {
    switch self {
    case .exact: .exact
    case .paper: .paper
    case .listed(let rank, let n): Policy(select: .density(1 / Float(n)), rank: rank)
    }
  }

  public static let standard: [BenchCase] = [
    .exact, .paper, .listed(.mass, oneIn: 8), .listed(.gap, oneIn: 8), .listed(.loss, oneIn: 8),
  ]
  /// What the plot of speed against executed density shows.
  public static let sweep: [BenchCase] = [1, 2, 4, 8, 16, 32].map { .listed(.mass, oneIn: $0) }
}

/// ONNX Runtime's own ways to attend.
public enum BenchPeer: String, CaseIterable, Sendable {
  /// `com.microsoft.MultiHeadAttention`.
  case multiHeadAttention = "MultiHeadAttention"
  /// Transpose, MatMul, Mul, Softmax, MatMul, Transpose.
  case decomposed
  /// The standard's operator of opset 23.
  case attention23 = "Attention-23"

  /// Whether it makes the whole table of scores.
  var keepsScores: Bool { self != .multiHeadAttention }
}
