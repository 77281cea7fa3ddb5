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
  /// How the operator can read a value: after adding a leading axis, and then transposing.
  struct Reading {
    var layout: TensorLayout
    var order: [Int]
    var lacksBatch: Bool

    var isDirect: Bool { !lacksBatch && order.elementsEqual(order.indices) }
  }

  /// How the operator can read a value, atoms of length one left aside; nil where no transposition does.
  func reading(_ layout: AxisLayout, roles: AxisRoles) -> Reading? {
    let axes = resolved(layout).axes.map { $0.filter { !isUnit($0) } }
    let roles = roles.resolved(self)
    if let (layout, order) = order(axes, roles) { return Reading(layout: layout, order: order, lacksBatch: false) }
    guard roles.batch.allSatisfy(isUnit), let (layout, order) = order([[]] + axes, roles) else { return nil }
    return Reading(layout: layout, order: order, lacksBatch: true)
  }

  private func order(_ axes: [[Atom]], _ roles: AxisRoles) -> (TensorLayout, [Int])? {
    let candidates = TensorLayout.allCases.compactMap { layout -> (TensorLayout, [[Atom]])? in
      let wanted = roles.axes(of: layout).map { $0.filter { !isUnit($0) } }
      return wanted.count == axes.count ? (layout, wanted) : nil
    }
    if let (layout, _) = candidates.first(where: { $0.1 == axes }) { return (layout, Array(axes.indices)) }
    for (layout, wanted) in candidates {
      var free = Array(axes.indices)
      var order: [Int] = []
      for axis in wanted {
        guard let found = free.firstIndex(where: { axes[$0] == axis }) else { break }
        order.append(free.remove(at: found))
      }
      if order.count == axes.count { return (layout, order) }
    }
    return nil
  }
}
