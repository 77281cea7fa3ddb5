import ONNXGraph

/// How the operator finds batch, sequence, heads and head size in a tensor.
public enum TensorLayout: String, Sendable, CaseIterable {
  /// [B, S, H, D].
  case bshd = "BSHD"
  /// [B, S, H·D].
  case bse = "BSE"
  /// [B, H, S, D].
  case bhsd = "BHSD"
}

/// The roles of a value's atoms.
public struct AxisRoles: Sendable {
  public var batch: [Atom]
  public var heads: [Atom]
  public var sequence: [Atom]
  public var channels: [Atom]

  /// The axes of a layout that the operator reads, in its order.
  func axes(of layout: TensorLayout) -> [[Atom]] {
    switch layout {
    case .bshd: [batch, sequence, heads, channels]
    case .bhsd: [batch, heads, sequence, channels]
    case .bse: [batch, sequence, heads + channels]
    }
  }

  func resolved(_ table: AtomTable) -> AxisRoles {
    AxisRoles(
      batch: table.resolved(batch), heads: table.resolved(heads), sequence: table.resolved(sequence),
      channels: table.resolved(channels))
  }
}

extension AtomTable {
  /// The operator's layout that a value has, atoms of length one left aside; nil where it has none of them.
  func tensorLayout(_ layout: AxisLayout, roles: AxisRoles) -> TensorLayout? {
    permutation(layout, roles: roles).flatMap { $0.order.elementsEqual(layout.axes.indices) ? $0.layout : nil }
  }

  /// A transposition of the value that the operator can read.
  func permutation(_ layout: AxisLayout, roles: AxisRoles) -> (layout: TensorLayout, order: [Int])? {
    let axes = resolved(layout).axes.map { $0.filter { !isUnit($0) } }
    let roles = roles.resolved(self)
    for candidate in TensorLayout.allCases {
      let wanted = roles.axes(of: candidate).map { $0.filter { !isUnit($0) } }
      guard wanted.count == axes.count else { continue }
      if wanted == axes { return (candidate, Array(axes.indices)) }
    }
    for candidate in TensorLayout.allCases {
      let wanted = roles.axes(of: candidate).map { $0.filter { !isUnit($0) } }
      guard wanted.count == axes.count else { continue }
      var free = Array(axes.indices)
      var order: [Int] = []
      for axis in wanted {
        guard let found = free.firstIndex(where: { axes[$0] == axis }) else { break }
        order.append(free.remove(at: found))
      }
      if order.count == axes.count { return (candidate, order) }
    }
    return nil
  }
}
